package cartrita

import (
	"cmp"
	"slices"

	"github.com/cartrita/cartrita/cost"
	"github.com/cartrita/cartrita/model"
)

// BatchReport is what many calls would cost together. Reports of the parts of
// a file merge into the report of the whole.
type BatchReport struct {
	Level float64 `json:"level"`
	Lines int     `json:"lines"` // read, empty ones included
	// Calls counts the lines that are requests, whatever came of them.
	Calls int `json:"calls"`
	// Models holds, of each model that the calls were compared for, or else
	// that they would go to, the sum of its calls.
	Models []BatchModel `json:"models"`
	// Total is the sum over all calls; null where each is counted for several models.
	Total  *cost.BatchSum `json:"total"`
	Errors []BatchError   `json:"errors"`
	// Assumption says what the intervals of sums rest on.
	Assumption string `json:"assumption"`
}

// BatchModel is the part of a batch that one model would serve.
type BatchModel struct {
	Model string `json:"model"`
	cost.BatchSum
}

// BatchError is a line of a batch that could not be estimated.
type BatchError struct {
	Line    int    `json:"line"`                // from 1
	ID      string `json:"custom_id,omitempty"` // of the line, if it has one
	Model   string `json:"model,omitempty"`     // of a comparison, if the others may be well
	Field   string `json:"field,omitempty"`     // at fault
	Message string `json:"message"`
}

// BatchSum adds up the estimates of many calls.
type BatchSum = cost.BatchSum

// batchAssumption is what the intervals of sums rest on.
const batchAssumption = "calls are independent, so that their variances add; " +
	"doubt about what was learned of a model is the same in all its calls and adds up in full"

// NewBatchReport starts a report. compared says that calls are counted for
// several models each.
func NewBatchReport(level float64, compared bool) *BatchReport {
	r := &BatchReport{Level: level, Models: []BatchModel{}, Errors: []BatchError{}, Assumption: batchAssumption}
	if !compared {
		r.Total = &cost.BatchSum{}
	}
	return r
}

// Add counts one call for a model.
func (r *BatchReport) Add(name string, x *CallEstimate) {
	var one cost.BatchSum
	one.Add(&x.Explanation, r.Level)
	r.add(name, &one)
	if r.Total != nil {
		r.Total.Merge(&one, r.Level)
	}
}

func (r *BatchReport) add(name string, sum *cost.BatchSum) {
	i, found := slices.BinarySearchFunc(r.Models, name, func(m BatchModel, name string) int { return cmp.Compare(m.Model, name) })
	if !found {
		r.Models = slices.Insert(r.Models, i, BatchModel{Model: name})
	}
	r.Models[i].Merge(sum, r.Level)
}

// Fail notes a line that could not be estimated.
func (r *BatchReport) Fail(line int, id, name string, err error) {
	e := model.AsError(err)
	message := e.Message
	if message == "" {
		message = e.Kind.String()
	}
	r.Errors = append(r.Errors, BatchError{Line: line, ID: id, Model: name, Field: e.Param, Message: message})
}

// Merge adds the report of the lines that follow.
func (r *BatchReport) Merge(o *BatchReport) {
	for _, e := range o.Errors {
		e.Line += r.Lines
		r.Errors = append(r.Errors, e)
	}
	for i := range o.Models {
		r.add(o.Models[i].Model, &o.Models[i].BatchSum)
	}
	if r.Total != nil && o.Total != nil {
		r.Total.Merge(o.Total, r.Level)
	}
	r.Lines += o.Lines
	r.Calls += o.Calls
}
