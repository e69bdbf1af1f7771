import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # the toy config imports toy_parts
