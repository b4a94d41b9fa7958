from tinydist.command_line import start

raise SystemExit(start("trace"))
