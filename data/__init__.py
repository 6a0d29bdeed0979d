"""Tables of items: readers, expressions, shifts and worlds. Imports none of the other folders."""
