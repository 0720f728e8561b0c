"""The record database: engine, migrations, tables, ledger, recorder, history."""
