"""MMPose can be imported once the plug-in has been."""

import mmhand_dne  # noqa: F401
