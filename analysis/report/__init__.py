"""What a person sees: a pure function of the results document."""
