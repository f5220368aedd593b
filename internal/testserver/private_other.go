//go:build !unix

package testserver

import "testing"

// Postgres is a private server; there is none on this system.
type Postgres struct{}

// StartPostgres finds no server to start on this system.
func StartPostgres() (*Postgres, error) {
	return nil, missingError("a private one is started on Unix systems only")
}

// URL returns the address of the server's first database.
func (*Postgres) URL() string { return "" }

// Stop ends the server at once, as a crash would.
func (*Postgres) Stop(Failer) {}

// Start starts the server after Stop.
func (*Postgres) Start(Failer) {}

// Remove ends the server for good.
func (*Postgres) Remove() {}

// Redis is a private server; there is none on this system.
type Redis struct{}

// StartRedis finds no server to start on this system.
func StartRedis(...string) (*Redis, error) {
	return nil, missingError("a private one is started on Unix systems only")
}

// URL returns the address of the server.
func (*Redis) URL() string { return "" }

// Ask sends one command and returns its answer.
func (*Redis) Ask(testing.TB, string) string { return "" }

// Do sends one command.
func (*Redis) Do(testing.TB, string) {}

// Stop ends the server at once, as a crash would.
func (*Redis) Stop(Failer) {}

// Start starts the server after Stop, empty.
func (*Redis) Start(testing.TB) {}

// Freeze stops the server from answering until Thaw.
func (*Redis) Freeze(testing.TB) {}

// Thaw lets the server go on.
func (*Redis) Thaw(testing.TB) {}

// Remove ends the server for good.
func (*Redis) Remove() {}
