package gateway

import (
	"net/http"
	"testing"

	"github.com/cartrita/cartrita/key"
)

// TestNobodySpendsForTheOwnerOfAKey: a key without an owner names end users, but
// not one whose budget only that user's own keys may use.
func TestNobodySpendsForTheOwnerOfAKey(t *testing.T) {
	w, kw := newWorldWithKeys(t)
	adaID, ada := kw.make(t, key.Fields{Name: ptr("ada"), User: ptr("ada")})
	_, app := kw.make(t, key.Fields{Name: ptr("app")})
	_, admin := kw.make(t, key.Fields{Name: ptr("root"), Role: ptr(key.RoleAdmin)})
	ask := func(token, user string) int {
		return w.do("POST", "/v1/chat/completions", withMembers(`"user":"`+user+`",`), "Authorization", "Bearer "+token).StatusCode
	}
	for _, c := range []struct {
		token, user string
		want        int
	}{
		{app, "ada", http.StatusForbidden}, {app, "bob", http.StatusOK}, {ada, "bob", http.StatusOK}, {admin, "ada", http.StatusOK},
	} {
		if got := ask(c.token, c.user); got != c.want {
			t.Errorf("%s: %d, want %d", c.user, got, c.want)
		}
	}
	code, a := w.ask("POST", "/api/v1/estimate", `{"model":"auto","messages":[{"role":"user","content":"x"}],"context":{"user_id":"ada"}}`, app)
	if code != http.StatusForbidden || a.Error.Param != "user" {
		t.Errorf("an estimate for ada: %d %+v", code, a.Error)
	}
	if _, err := kw.ring.Revoke(t.Context(), adaID, "test"); err != nil {
		t.Fatal(err)
	}
	if got := ask(app, "ada"); got != http.StatusOK {
		t.Errorf("after ada's key is revoked: %d", got)
	}
}
