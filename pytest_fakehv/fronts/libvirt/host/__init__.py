"""What one host does for libvirt's clients: its domains, their definitions, states, jobs and events.

It knows neither bytes nor sockets.
"""
