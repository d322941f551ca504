"""Measurements that print numbers beside a baseline; nothing here is imported by the product."""
