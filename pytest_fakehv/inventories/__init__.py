"""Topologies made of what people have: the lists that Ganeti, virsh, OpenStack and Ansible make."""
