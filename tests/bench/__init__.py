"""The bench: slasshy-rpc beside aria2c and other peers, run alternately against one nginx on this machine."""
