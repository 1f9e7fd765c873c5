"""What goes over a connection: values as bytes, the procedures, frames."""
