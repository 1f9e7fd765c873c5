"""What one host of libvirt's does, which knows neither bytes nor sockets."""
