package database

import "time"

// Status is what a database says of itself. It is read without changing
// anything, of databases with older and newer schemas too.
type Status struct {
	Server string // the program and version that answered, as "PostgreSQL 17.2"
	Schema int    // version that the database has; 0: none yet
	Known  int    // newest version that this program knows

	Calls         int64     // decisions included
	Decisions     int64     // of them, that no call followed: dry runs
	Estimated     bool      // both are: counting would have taken too long
	Since         time.Time // calls of before have left for the archive; zero: none have
	Oldest        time.Time // when the call that was stored first ended; zero: no calls
	Newest        time.Time // when one of the calls that were stored last ended; zero: no calls
	ModelVersions int64     // of all model records together
	Keys          int64     // virtual keys, revoked ones included
	Budgets       int64     // created over the API; those of the configuration are not stored
	Bytes         int64     // on disk, indexes included
}

// Counts returns what Status counts beside calls, by the table whose rows it is.
func (s *Status) Counts() map[string]*int64 {
	return map[string]*int64{"model_versions": &s.ModelVersions, "api_keys": &s.Keys, "budgets": &s.Budgets}
}
