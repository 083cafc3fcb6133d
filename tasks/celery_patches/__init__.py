"""Corrections of Celery, kombu and billiard: each with its fault, upstream issue and version.

`tests/unit/test_celery_patches.py` runs the libraries without them, and fails once a patch is not needed.
"""
