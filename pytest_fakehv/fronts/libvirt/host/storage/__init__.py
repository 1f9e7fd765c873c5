"""What a host's storage is: where files and logical volumes lie, pools, and the XML of both.

`space` is what there is on a disk or a share, whether a pool is there or not; a `pool` is what a host knows
of one. `pools` and `volumes` are all of a host's, with what is done to them.
"""
