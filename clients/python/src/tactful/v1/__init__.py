"""The messages and stubs of the protocol, generated from proto/tactful/v1 when the package is built."""
