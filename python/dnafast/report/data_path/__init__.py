"""The report of a data path: one page, a summary to read, and a table for the terminal."""

from dnafast.report.data_path.page import data_path_page
from dnafast.report.data_path.results import DataPathResults
from dnafast.report.data_path.summary import data_path_summary
from dnafast.report.data_path.terminal import data_path_table

__all__ = ["DataPathResults", "data_path_page", "data_path_summary", "data_path_table"]
