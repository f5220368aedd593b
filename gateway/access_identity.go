package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

// Callers without a key of their own.
var (
	anybody = &key.Identity{Role: key.RoleAdmin} // on this machine, while no keys are wanted
	local   = &key.Identity{Role: key.RoleAdmin} // with the local token
)

// identify puts the key's identity into a call's criteria: a key that has an
// owner speaks for no other user, one without lets the caller name an end user,
// and its own name stands for one who was not named. An end user who owns a key
// spends by that key alone: nobody else may use up what is theirs.
func (g *Gateway) identify(who *key.Identity, ctx *model.Context) *model.Error {
	if who.Caller.User != "" {
		ctx.UserID = who.Caller.User
	} else if who.Role != key.RoleAdmin && g.cfg.Keys != nil && g.cfg.Keys.Owns(ctx.UserID) {
		return &model.Error{
			Op: "gateway.identify", Kind: model.KindForbidden, Param: "user",
			Message: fmt.Sprintf("the user %.80q owns API keys; a call for that user takes one of them", ctx.UserID),
		}
	}
	fill(&ctx.UserID, who.Name)
	return nil
}

// mayServe refuses what the role of the key does not allow.
func (x *exchange) mayServe() *model.Error {
	need := x.route.reads
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		need = x.route.writes
	}
	if x.who.Role.Has(need) {
		return nil
	}
	return model.Errorf("gateway.authorize", model.KindForbidden,
		"a key with the role %s may not do this; it takes the role %s", x.who.Role, orList(need.Holders()))
}

// stillWelcome looks the caller up again: its key may have ended or changed
// since the request began.
func (x *exchange) stillWelcome() *model.Error {
	who, _, err := x.g.authorize(x.r)
	if err != nil {
		return err
	}
	x.who = who
	return x.mayServe()
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
