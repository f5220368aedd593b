// Package e2e tests the real binary on a real port with real clients: the
// official OpenAI libraries, faulty upstreams, and kill -9.
package e2e
