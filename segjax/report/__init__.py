"""What a run leaves for people: the record, the log, the pictures and the page.

Everything here is made from numpy arrays and plain data; no jax array is made.

===============  ==========================================================
file             what it writes
===============  ==========================================================
`record`         `config.json`, `record.json`: what ran, where, on which data
`metrics_log`    `metrics.jsonl`, `timing.jsonl`: numbers by step
`events`         `tensorboard/`: the same numbers and pictures for TensorBoard
`progress`       lines or a bar on the terminal
`colour`         label maps as colours, overlays, error maps (arrays only)
`effects`        the sheet of ops of `segjax inspect --ops`
`panel`          `pictures/{panel,best,worst,augmented}.png`
`plots`          `pictures/{curves,confusion,classes}.png`
`page`           `index.html`, from what lies in the run folder
===============  ==========================================================
"""
