"""Steps that turn MakeHuman's CC0 body into the embedded CC0 hand."""
