package cartrita

import (
	"net/http"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Writer receives the answer to one call. The Service calls Answer once, or
// Start once, then Chunk any number of times, then End once; after an error
// returned by Serve without Start nothing was written. A Writer's error means
// that the caller is gone: the upstream is cancelled, the call still priced
// and recorded. Slices passed in are valid during the method only.
type Writer interface {
	// Answer delivers a whole answer: the upstream's status, its allow-listed
	// headers and its body.
	Answer(info Info, status int, header http.Header, body []byte) error
	// Start opens a stream, when the first content is at hand.
	Start(info Info, header http.Header) error
	// Chunk writes and flushes whole SSE events.
	Chunk(data []byte) error
	// End closes a stream that was started. After err the caller must see an
	// in-band error event and never a clean end. The cost in rec is final.
	End(rec *model.Record, err *model.Error) error
}

// Info is what is known of a call when its answer begins.
type Info struct {
	ID        model.CallID
	Model     model.ModelID
	Endpoint  model.EndpointID
	Provider  string
	Attempts  int           // taken so far, this one included
	Estimated model.Money   // expected cost at the endpoint that answers; 0 when unpriced
	Cost      model.Money   // actual cost, if CostKnown: whole answers only
	CostKnown bool          // false before the end of a stream and for unpriced endpoints
	Overhead  time.Duration // our own time so far
}
