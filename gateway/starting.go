package gateway

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/cartrita/cartrita/model"
)

// startingRetry is when callers of a gateway that starts may try again, in seconds.
const startingRetry = 2

// Starting answers for a gateway that is not put together yet: /healthz says that
// the process lives, everything else is refused for now. Why is not for callers.
func Starting() http.Handler {
	err := model.Errorf("gateway.Starting", model.KindUnavailable, "the gateway is starting; its log says what it waits for")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/healthz" {
			_, _ = w.Write([]byte(`{"status":"ok"}`)) // the caller may be gone
			return
		}
		w.Header().Set("Retry-After", strconv.Itoa(startingRetry))
		w.WriteHeader(statusOf(err))
		_, _ = w.Write(appendError(nil, err, strings.HasPrefix(r.URL.Path, "/v1/"), "")) // the same
	})
}
