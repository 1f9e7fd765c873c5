"""What a real pair of libvirtd with QEMU says, and whether the front says the same.

`scripts` are programs that speak to a pair of hosts through libvirt-python and virsh; `pair` is a real
pair, `standin` the front's; `recording` runs a script on either and keeps what was said; `records` holds
what the real pair said; `comparing` finds what differs, and `differences` knows what may. The commands are
in `__main__`.
"""
