// Package model is the vocabulary of Cartrita: the values that every domain
// speaks and that cross the borders between them.
//
// A Model is a set of weights as one provider lists it; an Endpoint is one
// place where it can be called. A Call is one request on its way through the
// service, a Plan is the decision taken for it, and the Record is everything
// that happened to it. Money is exact, figures carry their origin, and what is
// unknown stays unknown: optional values are pointers or Counts, never zeros.
//
// The package holds no behaviour that needs I/O, a clock or a lock. Its values
// are plain data: once published in a snapshot they are never written again,
// so they may be read from many goroutines.
package model
