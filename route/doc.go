// Package route answers which endpoints may serve a call, in what order, and why.
package route
