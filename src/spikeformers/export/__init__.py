"""Models in formats that others read, looked at from outside: nothing in a model knows of them."""
