"""What tests stand on: the hostile origin, its content and certificates. Nothing here imports slasshy_rpc."""
