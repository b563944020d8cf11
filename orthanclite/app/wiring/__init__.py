"""The wings of the house, one module each: a wing makes its services from the settings and from other wings.

``foundation`` comes first: what every wing stands on. A wing is a frozen record of the services that others
need, and of what it adds to the whole (``adds``), such as routes and duties. :mod:`orthanclite.app.house`
builds the wings in the order of their dependence and gathers what they add. So a further capability is a
further module here, or in ``keeping`` or ``network``, and a line there.
"""
