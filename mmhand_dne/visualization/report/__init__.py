"""The report page of inference results: pictures, 3D views, numbers, downloads.

It is not imported with the package: it needs the extra ``report``.
"""

from .report_page import ReportVideo, check_report, write_report

__all__ = ['ReportVideo', 'check_report', 'write_report']
