"""The split into To Review and Unlabel, and the files that carry it to people."""
