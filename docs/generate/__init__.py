"""Writes the tables of the reference that the program itself knows.

``python -m docs.generate`` writes them between ``<!-- generated: NAME -->`` and ``<!-- end -->``; ``tables.TABLES`` has
a function for each name. With ``--check`` it writes nothing and names the pages that are out of date.
"""
