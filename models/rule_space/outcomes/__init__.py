"""What rules do on a test: choices, catastrophes, silence, dependence on features."""
