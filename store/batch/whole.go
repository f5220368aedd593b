package batch

import (
	"errors"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// Whole has calls filled with their documents. Those whose documents are damaged
// are left out and told to damaged: one of them must not hold up all that come
// after it.
func Whole(calls []event.Call, fill func([]event.Call) error, damaged func(seq int64, err error)) ([]event.Call, error) {
	err := fill(calls)
	if !isDamage(err) {
		return calls, err
	}
	var whole []event.Call
	for i := range calls {
		one := calls[i : i+1 : i+1]
		switch err := fill(one); {
		case err == nil:
			whole = append(whole, one[0])
		case isDamage(err):
			damaged(one[0].Seq, err)
		default:
			return nil, err
		}
	}
	return whole, nil
}

// isDamage reports whether an error is of a document and not of the store.
func isDamage(err error) bool {
	var e *model.Error
	return errors.Is(err, ErrBlock) || errors.As(err, &e) && e.Kind == model.KindInternal
}
