"""Assignments: handed out as files to complete, and marked by themselves."""

from minissd.assignments.manifest import assignment_names, load_assignment
from minissd.assignments.marking import check, mark

__all__ = ["assignment_names", "check", "load_assignment", "mark"]
