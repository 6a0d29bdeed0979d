"""A posterior written to, and read from, an xarray.DataTree."""
