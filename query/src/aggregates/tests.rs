//! Aggregates against what PostgreSQL 15 gives.
