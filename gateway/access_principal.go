package gateway

import (
	"slices"
	"strings"

	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

// principal is who a request comes from. Immutable, and shared by all requests
// of one key.
type principal struct {
	name   string // of the key; "" for a caller without one
	role   key.Role
	caller model.Caller
	allow  *model.Allowance // nil: everything
}

// anybody is a caller on this machine while no keys are wanted.
var anybody = &principal{role: key.RoleAdmin}

// identify puts the key's identity into a call's criteria: a key that has an
// owner speaks for no other user, one without lets the caller name an end user,
// and its own name stands for one who was not named.
func (p *principal) identify(ctx *model.Context) {
	if p.caller.User != "" {
		ctx.UserID = p.caller.User
	}
	fill(&ctx.UserID, p.name)
}

// mayServe refuses what the role of the key does not allow.
func (x *exchange) mayServe() *model.Error {
	need := x.route.reads
	if x.r.Method != "GET" && x.r.Method != "HEAD" {
		need = x.route.writes
	}
	if x.who.role.Has(need) {
		return nil
	}
	return model.Errorf("gateway.authorize", model.KindForbidden,
		"a key with the role %s may not do this; it takes the role %s", x.who.role, orList(need.Holders()))
}

func orList(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// ownedByKey are the parts of a caller's identity that only a key can give.
var ownedByKey = []string{"Key", "Key-Id", "Team", "Project", "Key-Tags", "Caller"}

// identityHeader refuses a header that would name another key's identity.
func identityHeader(header string) *model.Error {
	if !slices.Contains(ownedByKey, header[len(headerPrefix):]) {
		return nil
	}
	return model.Invalidf(opHeader, header, "comes from the API key and cannot be set by a request")
}
