package sim_test
import ("testing";"fmt";"github.com/maculamesh/macula/sim")
func TestZZ(t *testing.T){ for s := range uint64(3) { w:=chatter(t, sim.Config{Seed:s}); fmt.Println(w, w.Events()) } }
