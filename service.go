package cartrita

import (
	"context"

	"github.com/cartrita/cartrita/model"
)

// Service is the orchestrator. (Signatures first; the body follows.)
type Service struct{}

// Serve carries one call from its arrival to its record.
func (s *Service) Serve(ctx context.Context, call *model.Call, w Writer) (*model.Record, error) {
	panic("being written")
}

// Select decides without calling.
func (s *Service) Select(ctx context.Context, c Criteria) (*Selection, error) {
	panic("being written")
}

// Estimate says what each eligible endpoint would charge.
func (s *Service) Estimate(ctx context.Context, c Criteria) ([]EndpointEstimate, error) {
	panic("being written")
}

// Decision returns a stored record with its explanation.
func (s *Service) Decision(ctx context.Context, id model.CallID) (*Decision, error) {
	panic("being written")
}
