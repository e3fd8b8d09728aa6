package tactful

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"tactful.dev/tactful/tactfulv1"
)

// Facts are plain values by name: a string, bool, int, int32, int64, float32, float64, [time.Time], [time.Duration] or
// []string. A nil is an unknown fact; as an attribute, it removes the attribute.
type Facts map[string]any

func (facts Facts) values(keepNil bool) (map[string]*tactfulv1.Value, error) {
	values := make(map[string]*tactfulv1.Value, len(facts))
	for name, fact := range facts {
		value, ok := valueOf(fact)
		switch {
		case !ok:
			return nil, fmt.Errorf("`%s` is a %T, not a string, bool, number, time.Time, time.Duration or []string", name, fact)
		case fact != nil || keepNil:
			values[name] = value
		}
	}
	return values, nil
}

func valueOf(fact any) (*tactfulv1.Value, bool) {
	switch fact := fact.(type) {
	case nil:
		return &tactfulv1.Value{}, true
	case string:
		return &tactfulv1.Value{Kind: &tactfulv1.Value_Text{Text: fact}}, true
	case bool:
		return &tactfulv1.Value{Kind: &tactfulv1.Value_Flag{Flag: fact}}, true
	case int:
		return number(float64(fact)), true
	case int32:
		return number(float64(fact)), true
	case int64:
		return number(float64(fact)), true
	case float32:
		return number(float64(fact)), true
	case float64:
		return number(fact), true
	case time.Time:
		return &tactfulv1.Value{Kind: &tactfulv1.Value_Moment{Moment: timestamppb.New(fact)}}, true
	case time.Duration:
		return &tactfulv1.Value{Kind: &tactfulv1.Value_Span{Span: durationpb.New(fact)}}, true
	case []string:
		return &tactfulv1.Value{Kind: &tactfulv1.Value_List{List: &tactfulv1.TextList{Items: fact}}}, true
	default:
		return nil, false
	}
}

func number(fact float64) *tactfulv1.Value {
	return &tactfulv1.Value{Kind: &tactfulv1.Value_Number{Number: fact}}
}

// timestamp returns nil for the zero time: the server then takes now, or no end.
func timestamp(moment time.Time) *timestamppb.Timestamp {
	if moment.IsZero() {
		return nil
	}
	return timestamppb.New(moment)
}
