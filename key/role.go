package key

import (
	"fmt"
	"strings"
)

// Role says what a key may be used for.
type Role uint8

// The roles. The zero value is the one that may do least.
const (
	RoleCaller   Role = iota // send calls, ask for decisions and estimates
	RoleViewer               // ask, and read everything but keys; no calls
	RoleOperator             // send calls, read, change models and endpoints
	RoleAdmin                // everything, keys and budgets too
	roleCount
)

var roleNames = [roleCount]string{"caller", "viewer", "operator", "admin"}

// Roles lists the names of the roles, the least first.
func Roles() []string { return roleNames[:] }

// String returns the name of the role.
func (r Role) String() string {
	if r >= roleCount {
		return roleNames[RoleCaller]
	}
	return roleNames[r]
}

// MarshalText implements encoding.TextMarshaler.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Role) UnmarshalText(b []byte) error {
	for i, name := range roleNames {
		if name == string(b) {
			*r = Role(i)
			return nil
		}
	}
	return fmt.Errorf("unknown role %.40q: want one of %s", b, strings.Join(roleNames[:], ", "))
}

// Right is one kind of use that a role may allow.
type Right uint8

// The rights.
const (
	Ask    Right = 1 << iota // decisions, estimates, names of models, the own key
	Infer                    // calls, which spend
	Read                     // records, events, costs, metrics
	Write                    // models, endpoints, overrides of budgets
	Manage                   // keys, budgets
)

var rights = [roleCount]Right{
	RoleCaller:   Ask | Infer,
	RoleViewer:   Ask | Read,
	RoleOperator: Ask | Infer | Read | Write,
	RoleAdmin:    Ask | Infer | Read | Write | Manage,
}

// Has reports whether the role allows a use.
func (r Role) Has(need Right) bool { return r < roleCount && rights[r]&need == need }

// Holders lists the roles that have the right.
func (need Right) Holders() []string {
	var names []string
	for r := range roleCount {
		if r.Has(need) {
			names = append(names, r.String())
		}
	}
	return names
}
