"""The lake: every version of every record as Parquet files, for engines that know nothing of the service.

`<table>/organization=<slug>/month=<YYYY-MM>/<first>-<last>.parquet`, the month being that in which a version
was recorded and the numbers revisions. `manifest.json` says up to which revision it is whole: docs/lake.md.
"""
