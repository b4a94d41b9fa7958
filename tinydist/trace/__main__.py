from tinydist.trace.cli import main

raise SystemExit(main())
