"""The DICOM network (PS3.7, PS3.8), in three parts.

``upper`` speaks the upper layer protocol and holds associations; ``scp`` serves what peers ask for; ``scu``
asks peers. They meet in the protocols of this package.
"""
