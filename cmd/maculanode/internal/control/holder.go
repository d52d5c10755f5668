package control

// MaxHolders bounds the list of those that hold the most.
const MaxHolders = 100

// Holder is what one peer or client makes the node hold by the books.
type Holder struct {
	ID      string  `json:"id"`
	Kind    string  `json:"kind,omitempty"` // peer, client or this node; empty: not let in yet, or gone
	Leases  int     `json:"leases"`
	Bytes   int64   `json:"bytes"` // of all classes
	Classes []Class `json:"classes"`
}
