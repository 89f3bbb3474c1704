-- orders since a day; another day makes another view
select id, city, amount, placed_at
from {{ source('shop', 'orders') }}
where placed_at >= '{{ var("since", "2024-02-01") }}'
