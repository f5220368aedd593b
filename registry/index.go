package registry

import (
	"slices"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry/catalogue"
)

// index files every name and works out the fallback chains. Stronger names are
// filed first and are not overwritten: ids, then endpoints, then canonical ids
// and aliases.
func (b *builder) index(s *Snapshot) {
	byModel := make(map[model.ModelID][]int32, len(s.Served))
	byWeights := make(map[string][]int32, len(s.Served))
	for i := range s.Served {
		sv := &s.Served[i]
		byModel[sv.Model.ID] = append(byModel[sv.Model.ID], int32(i))
		byWeights[sv.Model.Canonical] = append(byWeights[sv.Model.Canonical], int32(i))
	}
	s.names = make(map[string]int32, 3*len(s.Models))
	s.matches = make([]Match, 0, 2*len(s.Models))
	weights := make(map[string]int32, len(s.Models))
	active := make(map[string]bool, len(s.Models)) // by canonical id: not every record is retired
	for _, m := range s.Models {
		retired := m.Status == model.StatusRetired
		active[m.Canonical] = active[m.Canonical] || !retired
		served := byModel[m.ID]
		if len(served) == 0 || string(m.ID) == m.Canonical {
			served = byWeights[m.Canonical]
		}
		s.file(string(m.ID), Match{Name: string(m.ID), Canonical: m.Canonical, Retired: retired, Served: served})
	}
	for i := range s.Served {
		s.fileEndpoint(int32(i))
	}
	for _, m := range s.Models {
		i, ok := weights[m.Canonical]
		if !ok {
			i = s.file(m.Canonical, Match{Name: m.Canonical, Canonical: m.Canonical, Retired: !active[m.Canonical], Served: byWeights[m.Canonical]})
			weights[m.Canonical] = i
		}
		for _, alias := range m.Aliases {
			if _, taken := s.names[alias]; !taken {
				s.names[alias] = i
			}
		}
	}
	s.fold()
	s.chain()
}

// file adds a match under a name unless the name is taken, and returns the
// match that the name has.
func (s *Snapshot) file(name string, m Match) int32 {
	if i, taken := s.names[name]; taken {
		return i
	}
	i := int32(len(s.matches))
	s.matches = append(s.matches, m)
	s.names[name] = i
	return i
}

// fileEndpoint files the names of one endpoint: its id, and its provider with
// the record's id or canonical id.
func (s *Snapshot) fileEndpoint(i int32) {
	sv := &s.Served[i]
	m := Match{Name: string(sv.ID), Canonical: sv.Model.Canonical, Retired: sv.Model.Status == model.StatusRetired, Served: []int32{i}}
	at := s.file(string(sv.ID), m)
	for _, name := range []string{sv.Provider + "/" + string(sv.Model.ID), sv.Provider + "/" + sv.Model.Canonical} {
		if _, taken := s.names[name]; !taken {
			s.names[name] = at
		}
	}
}

// fold files every name without case and separators, for names that match
// nothing as they stand. Names that fold alike and mean different matches
// stand for the one with endpoints, or the first.
func (s *Snapshot) fold() {
	s.folded = make(map[string]int32, len(s.names))
	for _, name := range s.sortedNames() {
		i, key := s.names[name], catalogue.Fold(name)
		if old, taken := s.folded[key]; taken && (len(s.matches[old].Served) > 0 || len(s.matches[i].Served) == 0) {
			continue
		}
		s.folded[key] = i
	}
}

// sortedNames returns every name that resolves.
func (s *Snapshot) sortedNames() []string {
	out := make([]string, 0, len(s.names))
	for name := range s.names {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// chain resolves the fallback chains: per endpoint those of its record, per
// match those of the first record that has one.
func (s *Snapshot) chain() {
	chains := make(map[model.ModelID][][]int32)
	of := make(map[string][][]int32) // by canonical id
	for _, m := range s.Models {
		if c := s.chainOf(m); c != nil {
			chains[m.ID] = c
			if of[m.Canonical] == nil {
				of[m.Canonical] = c
			}
		}
	}
	s.chains = make([][][]int32, len(s.Served))
	for i := range s.Served {
		s.chains[i] = chains[s.Served[i].Model.ID]
	}
	if len(chains) == 0 {
		return
	}
	for i := range s.matches {
		m := &s.matches[i]
		if m.Chain = chains[model.ModelID(m.Name)]; m.Chain == nil {
			m.Chain = of[m.Canonical]
		}
	}
}

func (s *Snapshot) chainOf(m *model.Model) (out [][]int32) {
	for _, name := range m.Fallbacks {
		i, ok := s.lookup(name)
		if ok && len(s.matches[i].Served) > 0 {
			out = append(out, s.matches[i].Served)
		}
	}
	return out
}
