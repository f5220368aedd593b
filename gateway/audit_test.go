package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/key"
)

// A change is put down to who was let in, whatever they call themselves.
func TestTheAuditTrailSaysWhoDidIt(t *testing.T) {
	w, kw := newWorldWithKeys(t, func(c *Config) {
		c.APIKeys = []APIKey{{Name: "ops", Secret: "ops-0123456789abcdef", Role: key.RoleAdmin}}
	})
	adminID, admin := kw.make(t, key.Fields{Name: ptr("root"), Role: ptr(key.RoleAdmin), User: ptr("ada")})
	_, viewer := kw.make(t, key.Fields{Name: ptr("view"), Role: ptr(key.RoleViewer)})
	for i, token := range []string{localTestToken, "ops-0123456789abcdef", admin} {
		resp := w.do("POST", "/api/v1/keys", fmt.Sprintf(`{"name":"k%d"}`, i), "Authorization", "Bearer "+token, "X-Cartrita-User", "mallory")
		if resp.StatusCode != http.StatusOK {
			t.Fatal(text(t, resp))
		}
	}
	list := func(query string) (page AuditPage) {
		t.Helper()
		raw := text(t, w.do("GET", "/api/v1/audit"+query, "", "Authorization", "Bearer "+admin))
		if err := json.Unmarshal([]byte(raw), &page); err != nil {
			t.Fatalf("%v: %s", err, raw)
		}
		return page
	}
	var got []string
	for _, e := range list("?action=key&limit=3").Entries {
		got = append(got, e.Actor+" "+e.Name)
	}
	if diff := cmp.Diff([]string{"key:" + string(adminID) + " ada", "config-key:ops ops", "cli mallory"}, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	if page := list("?actor=ada"); len(page.Entries) != 1 || page.Next != 0 {
		t.Errorf("%+v", page)
	}
	first := list("?limit=2")
	if rest := list(fmt.Sprint("?limit=3&before=", first.Next)); len(first.Entries) != 2 || first.Next != 4 || len(rest.Entries) != 3 || rest.Next != 1 || rest.Entries[0].Seq != 3 {
		t.Errorf("pages: %+v, %+v", first, rest)
	}
	if page := list("?object=nobody"); page.Entries == nil || len(page.Entries) != 0 {
		t.Errorf("%+v", page)
	}

	verify := func(query string) (r audit.Report) {
		t.Helper()
		raw := text(t, w.do("GET", "/api/v1/audit/verify"+query, "", "Authorization", "Bearer "+admin))
		if err := json.Unmarshal([]byte(raw), &r); err != nil {
			t.Fatalf("%v: %s", err, raw)
		}
		return r
	}
	if r := verify("?head=" + first.Entries[1].Hash.String()); r.Broken != nil || r.Entries != 5 || r.Head != first.Entries[0].Hash {
		t.Errorf("%+v", r)
	}
	if r := verify("?head=" + strings.Repeat("ab", 32)); r.Broken == nil || r.Broken.Seq != 6 {
		t.Errorf("a head that is not there: %+v", r)
	}
	for _, c := range []struct {
		path, token string
		status      int
	}{
		{"/api/v1/audit", viewer, 403}, {"/api/v1/audit/verify", viewer, 403}, {"/api/v1/audit", "", 401},
		{"/api/v1/audit?limit=0", admin, 400}, {"/api/v1/audit?colour=red", admin, 400}, {"/api/v1/audit?action=key.create", admin, 200}, {"/api/v1/audit?action=db", admin, 200},
		{"/api/v1/audit?action=key.", admin, 400}, {"/api/v1/audit?action=keys", admin, 400}, {"/api/v1/audit/verify?head=ab", admin, 400},
	} {
		if status, a := w.ask("GET", c.path, "", c.token); status != c.status {
			t.Errorf("%s: %d, %+v; want %d", c.path, status, a, c.status)
		}
	}
}

func TestWithoutKeysAChangeIsLocal(t *testing.T) {
	w, kw := newWorldWithKeys(t)
	if resp := w.do("POST", "/api/v1/keys", `{"name":"first","role":"admin"}`, "X-Cartrita-User", "ada"); resp.StatusCode != http.StatusOK {
		t.Fatal(text(t, resp))
	}
	entries, err := kw.store.Trail(t.Context(), audit.Filter{})
	if err != nil || len(entries) != 1 || entries[0].Actor != "local" || entries[0].Name != "ada" {
		t.Errorf("%+v, %v", entries, err)
	}
}
