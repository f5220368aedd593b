// Package database answers what is true of a store's database as a whole: how
// large and how new it is, and whether the sums that it keeps are those of its
// calls.
//
// It knows no SQL: store/sqlite and store/postgres read the rows, this package
// says what they come to. Its values are for one goroutine at a time.
package database
