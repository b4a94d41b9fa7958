"""Analyses of trained networks: functions from arrays to plain results, tables and figures."""
