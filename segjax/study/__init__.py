"""Studies: one question, one base config, many runs that differ in what is asked."""
