import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** As much of JSON as queries.json needs: objects, arrays, texts, whole numbers, null. */
final class Json {
    private final String text;
    private int at;

    Json(String text) {
        this.text = text;
    }

    Object value() {
        char first = peek();
        return switch (first) {
            case '{' -> object();
            case '[' -> array();
            case '"' -> string();
            default -> word();
        };
    }

    static String quoted(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char each : text.toCharArray()) {
            if (each == '"' || each == '\\') quoted.append('\\').append(each);
            else if (each < ' ') quoted.append(String.format("\\u%04x", (int) each));
            else quoted.append(each);
        }
        return quoted.append('"').toString();
    }

    private Map<String, Object> object() {
        Map<String, Object> object = new LinkedHashMap<>();
        at++;
        while (peek() != '}') {
            String key = string();
            expect(':');
            object.put(key, value());
            if (peek() == ',') at++;
        }
        at++;
        return object;
    }

    private List<Object> array() {
        List<Object> array = new ArrayList<>();
        at++;
        while (peek() != ']') {
            array.add(value());
            if (peek() == ',') at++;
        }
        at++;
        return array;
    }

    private String string() {
        expect('"');
        StringBuilder string = new StringBuilder();
        while (text.charAt(at) != '"') {
            char each = text.charAt(at++);
            if (each == '\\') {
                each = text.charAt(at++);
                each = switch (each) {
                    case 'n' -> '\n';
                    case 't' -> '\t';
                    case '"', '\\' -> each;
                    default -> throw new IllegalArgumentException("escape \\" + each);
                };
            }
            string.append(each);
        }
        at++;
        return string.toString();
    }

    private Object word() {
        int start = at;
        while (Character.isLetterOrDigit(text.charAt(at))) at++;
        String word = text.substring(start, at);
        return word.equals("null") ? null : Long.valueOf(word);
    }

    private void expect(char wanted) {
        if (peek() != wanted) throw new IllegalArgumentException(wanted + " at " + at);
        at++;
    }

    private char peek() {
        while (Character.isWhitespace(text.charAt(at))) at++;
        return text.charAt(at);
    }
}
